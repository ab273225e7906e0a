"""The embedded world: facts in twelve languages, prompts about them, and a model trained on
both.
"""
