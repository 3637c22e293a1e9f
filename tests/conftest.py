"""Makes the modules beside it (handmade, zoo) importable from every test: pytest puts the
directory of a conftest.py on the path."""
