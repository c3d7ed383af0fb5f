"""The only room that imports dagster: thin assets, one module a stage, in the order data flows."""
