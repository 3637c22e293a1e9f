"""Why a model can't be trained, or that it can: what the trainer would read, read without it."""
