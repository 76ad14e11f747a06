"""The web page of `hrstyle serve`, which repaints visitors' photos and deletes them afterwards.

`server` starts the web server and deletes old files. `page` builds the page with Gradio
(`pip install 'hrstyle[web]'`). `choices` are the styles that it offers. `studio` checks and
repaints the photos.
"""
