"""Sound as pictures of its frequencies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class STFTSpectrogram(nn.Module):
    """Short-time Fourier transform by convolution with sines and cosines: (N, C, T) to (N, C, frequencies, frames).

    `mode` is one of "log", "magnitude", "psd", "real", "imag", "angle" and "stft" (real above imaginary parts).
    """

    def __init__(self, frame: int, step: int, frequencies: int, mode: str, same: bool = False) -> None:
        super().__init__()
        self.step, self.mode, self.same = step, mode, same
        if mode != "imag":
            self.real_kernel = nn.Parameter(torch.zeros(frequencies, 1, frame))
        if mode != "real":
            self.imag_kernel = nn.Parameter(torch.zeros(frequencies, 1, frame))

    def transform(self, x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        """One of both kernels, over every channel alike."""
        if self.same:
            missing = max((-(-x.shape[2] // self.step) - 1) * self.step + kernel.shape[2] - x.shape[2], 0)
            x = F.pad(x, (missing // 2, missing - missing // 2))
        frames = F.conv1d(x.reshape(-1, 1, x.shape[2]), kernel, stride=self.step)
        return frames.reshape(-1, x.shape[1], *frames.shape[1:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.mode == "real":
            return self.transform(x, self.real_kernel)
        imag = self.transform(x, self.imag_kernel)
        if self.mode == "imag":
            return imag
        real = self.transform(x, self.real_kernel)
        if self.mode == "stft":
            return torch.cat([real, imag], dim=2)
        if self.mode == "angle":
            return torch.atan2(imag, real)
        power = real**2 + imag**2
        if self.mode == "psd":
            # All frequencies but the first and the last stand for their negatives too.
            return power + F.pad(power[:, :, 1:-1], (0, 0, 1, 1))
        magnitude = torch.sqrt(torch.clamp(power, min=1e-7))
        return magnitude if self.mode == "magnitude" else torch.log(torch.clamp(magnitude, min=1e-7))


class MelSpectrogram(nn.Module):
    """Power of frequency bands on the mel scale: (N, T) to (N, bands, frames).

    `window` has the length of one sequence, `bands` holds the share of each of fft // 2 + 1 frequencies in each band.
    With `decibels`, powers become decibels above `decibels[0]`, powers below `decibels[1]` count as that, and what is
    more than `decibels[2]` below the loudest value of the whole batch is raised to there.
    """

    window: torch.Tensor
    bands: torch.Tensor

    def __init__(
        self,
        fft: int,
        sequence: int,
        stride: int,
        bands: int,
        exponent: float = 2.0,
        decibels: tuple[float, float, float] | None = None,
    ) -> None:
        super().__init__()
        self.fft, self.stride, self.exponent, self.decibels = fft, stride, exponent, decibels
        self.register_buffer("window", torch.ones(sequence))
        self.register_buffer("bands", torch.zeros(fft // 2 + 1, bands))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        waves = torch.stft(
            x,
            self.fft,
            self.stride,
            len(self.window),
            self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = torch.matmul((waves.abs() ** self.exponent).transpose(1, 2), self.bands).transpose(1, 2)
        if self.decibels is None:
            return power
        reference, smallest, depth = self.decibels
        scale = max(abs(reference), smallest)
        level = 10 * torch.log10(torch.clamp(power, min=smallest) / scale)
        return torch.maximum(level, level.amax() - depth)
