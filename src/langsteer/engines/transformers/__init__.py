"""Run models of Hugging Face transformers, and read and edit their residual stream."""
