"""The setups that make_broken.py writes."""
