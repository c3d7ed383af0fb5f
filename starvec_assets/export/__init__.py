"""Exports of the vectors: FP16 matrix with search index, and the web page as a static site."""
