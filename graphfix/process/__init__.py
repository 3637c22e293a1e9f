"""This process: its signals, its terminal, its scratch directories, and how it ends."""
