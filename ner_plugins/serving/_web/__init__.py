"""What speaks HTTP. Private, because only here FastAPI, uvicorn and prometheus-client are imported at once."""
