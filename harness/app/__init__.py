"""The web app: one scene or photograph, looked at with a trial's tokens. Gradio is imported by `page` alone."""
