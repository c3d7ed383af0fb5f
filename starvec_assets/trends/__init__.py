"""Stars by month: what is rising, what gets most stars, and bursts, by repository and by field."""
