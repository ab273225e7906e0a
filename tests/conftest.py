"""Settings for all tests."""

import torch

# Tiny models gain nothing from more threads, and workers side by side would fight for them.
torch.set_num_threads(1)
