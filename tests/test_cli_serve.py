import re
import signal
import socket
import sys

import pytest

from hrstyle.cli import main


def refused(capsys, *arguments):
    """The one sentence that the command says instead of serving."""
    with pytest.raises(SystemExit) as stop:
        main(["serve", *arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("hrstyle: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "1.5", "many", "", "1e6"])
def test_ports_and_sizes_that_are_no_whole_numbers_are_refused(capsys, value):
    assert "from 1 to 65535" in refused(capsys, "--port", value)
    assert "--max-pixels" in refused(capsys, "--max-pixels", value)


def test_a_port_or_a_size_beyond_the_largest_is_refused(capsys):
    refused(capsys, "--port", "65536")
    refused(capsys, "--max-pixels", "9" * 20)


@pytest.mark.parametrize("host", ["nan", "-1", "192.0.2.1", "a b", "", "x" * 300, "127.0.0.1:80"])
def test_an_address_that_is_not_of_this_machine_is_refused(capsys, host):
    assert "no address of this machine" in refused(capsys, "--host", host)


@pytest.mark.parametrize("value", ["name", "name:", ":password"])
def test_a_password_needs_a_name_and_is_not_printed(capsys, monkeypatch, value):
    assert "USER:PASSWORD" in refused(capsys, "--auth", value)
    monkeypatch.setenv("HRSTYLE_AUTH", value)
    error = refused(capsys)
    assert "HRSTYLE_AUTH" in error
    assert value.replace(":", "") not in error.replace("a name and a password", "")


def test_a_root_path_and_a_style_that_cannot_be_are_refused(capsys):
    assert "must begin with /" in refused(capsys, "--root-path", "paint")
    assert "gone.safetensors" in refused(capsys, "--style", "gone.safetensors")


def test_the_address_for_a_phone_is_one_of_this_machine():
    from hrstyle.web.server import addresses, check_address

    assert addresses("127.0.0.1", 7860) == ""
    text = addresses("0.0.0.0", 7860)
    assert text.startswith("http://127.0.0.1:7860/")
    if found := re.search(r"on a phone in the network: http://([\d.]+):7860/", text):
        check_address(found[1], None)


def test_a_port_in_use_is_one_sentence(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert f"port {port} is in use" in refused(capsys, "--port", port)


def test_without_gradio_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)  # which is how Python says: not there
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")  # to be put back afterwards
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert "pip install 'hrstyle[web]'" in refused(capsys)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_help_shows_two_examples_and_the_extra(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    text = capsys.readouterr().out
    assert len(re.findall(r"^  hrstyle serve", text, flags=re.MULTILINE)) == 3
    assert "hrstyle[web]" in text
