"""Awesome lists: fetch READMEs, parse them into groups, resolve groups to repositories."""
