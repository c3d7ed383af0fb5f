"""Linear probes, quantile tables and developer vectors."""
