"""Text vectors of repositories: documents from names, descriptions and READMEs, and the encoders."""
