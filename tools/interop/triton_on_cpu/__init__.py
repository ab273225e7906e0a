"""A backend of Triton for machines without a GPU, on which its kernels are interpreted.

vLLM's second model runner needs Triton. With `TRITON_INTERPRET=1` its kernels run in Python, far
too slowly to serve but exactly; what is here only says that there is a device.
"""
