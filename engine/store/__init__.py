"""TinyDB on files that many processes share: the catalogue, and one stream of metrics for each run."""
