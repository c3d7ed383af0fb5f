"""Hour files of GH Archive to star rows, the star log and the catalogue of repositories."""
