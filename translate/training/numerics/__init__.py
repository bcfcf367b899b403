"""The numbers of a training: their formats, the scaling of losses in fp16, and updates that are left out."""
