"""What each trainer of the stock API restores from a checkpoint: the only place that knows."""
