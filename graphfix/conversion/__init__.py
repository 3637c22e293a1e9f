"""One conversion: open, describe, plan, apply, write, verify, report."""
