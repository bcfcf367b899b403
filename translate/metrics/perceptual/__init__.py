"""Metrics of pairs that look as people do: LPIPS, DISTS, MS-SSIM."""
