"""Awesome lists: fetch READMEs, parse them into sections, resolve these to groups of repositories."""
