"""The Hydra configs of `hrstyle train`; a package, so that they are installed with it."""
