"""The training corpus: selection of users and repositories, held-out split, packed star lists."""
