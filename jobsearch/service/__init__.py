"""The HTTP service: one index, or a pair of encoders, behind FastAPI (extra `serve`).

`app.create_app` makes an application for any ASGI server; `server.serve` runs it under uvicorn as `jobsearch serve`
does, which adds what an application alone cannot do: cutting off slow clients and ending in good order. Nothing here
imports TensorFlow, and nothing outside `jobsearch serve` imports FastAPI.
"""
