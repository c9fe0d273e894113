"""Kernels: reference (plain NumPy) and cpu (fused). Nothing outside this folder knows a device."""
