"""The web page of `hrstyle serve`, which repaints visitors' photos and deletes them afterwards.

`server` starts the web server and deletes old files. `page` builds the page with Gradio. `studio`
checks and repaints the photos, and is the only module that works without Gradio
(`pip install 'hrstyle[web]'`).
"""
