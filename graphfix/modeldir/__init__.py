"""What lies in a model's directory: how it is opened, who owns its files, how it is published."""
