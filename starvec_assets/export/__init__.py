"""What leaves the house: FP16 matrix, catalogue, index."""
