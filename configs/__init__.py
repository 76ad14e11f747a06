"""Hydra configs of `python -m hrstyle.train`; a package, so that they are found once installed."""
