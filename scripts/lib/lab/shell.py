"""Running programs. Arguments are always lists: no shell ever reads them."""

import subprocess


class Failed(Exception):
    pass


def run(*command, check=True, text_in=None, timeout=60, env=None, cwd=None):
    """The finished process; Failed with what the program said when it did not exit with 0 (unless check=False)."""
    command = [str(part) for part in command]
    done = subprocess.run(
        command,
        input=text_in,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL if text_in is None else None,
    )
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()) or "nothing"
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}, said: {said}")
    return done
