"""A server of the OpenAI API in which each request has its own language."""
