"""How other programs name the tensors of networks, by which their files are recognised and written."""
