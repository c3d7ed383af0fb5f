"""Users and vocabulary: who counts, what is trained on, in packed arrays."""
