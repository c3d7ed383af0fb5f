"""`python -m starvec_assets.cli` runs the same commands as `starvec`."""

from starvec_assets.cli.main import main

main(prog_name="starvec")
