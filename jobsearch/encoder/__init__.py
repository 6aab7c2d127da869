"""Text to unit vectors: Google's Universal Sentence Encoder (USE), multilingual, version 3.

`protocol` says what an encoder is; `architecture` names USE's tensors; `weights` keeps a weight set as a directory;
`packaged` makes the base weight set from the installed weights; `lean` encodes without TensorFlow; `keras_model` is
the same network for tuning, `keras_encoder` the same from texts; `savedmodel` reads or wraps a TF-Hub SavedModel;
`library` finds an encoder by name.
"""
