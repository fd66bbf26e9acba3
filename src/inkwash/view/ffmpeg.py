"""The ffmpeg program that comes with imageio-ffmpeg."""

import subprocess


def ffmpeg(arguments: list[str], data: bytes = b"") -> bytes:
    """Run ffmpeg on `data` and return what it prints.

    imageio_ffmpeg.write_frames is not used: it overlooks ffmpeg's exit code, and with it a full disk.

    Raises:
        OSError: when ffmpeg cannot be run or fails, with its own words.
    """
    import imageio_ffmpeg

    try:
        program: str = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise OSError(f"ffmpeg was not found ({error})") from error
    done = subprocess.run([program, "-v", "error", *arguments], input=data, capture_output=True)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").partition("\n")[0]  # what went wrong first
        raise OSError("ffmpeg: " + (words.rpartition("] ")[2] or f"exit code {done.returncode}"))
    return done.stdout
