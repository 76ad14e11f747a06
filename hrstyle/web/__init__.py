"""The web page of `hrstyle serve`: a visitor's photos in, repaints out, nothing kept.

Needs Gradio, `pip install 'hrstyle[web]'`; of these modules, only `studio` does without.
"""
