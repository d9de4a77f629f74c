"""Large-scale structure: linear theory, mass functions and bias, waves, displacements. In numpy, without gradients."""
