"""What runs a model while its residual stream is read or edited."""
