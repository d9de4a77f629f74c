"""Results are kept while the files that they were made from are as they were."""

from diffsky_factory.core.files_read import changed, kept_while_unchanged, note, noting


def test_a_result_is_made_anew_where_a_file_that_was_read_for_it_has_changed(tmp_path):
    made = []

    @kept_while_unchanged(4)
    def content(name):
        """What a file says."""
        file = tmp_path / name
        note(file)
        made.append(name)
        return file.read_text()

    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("other")
    assert [content("a"), content("b"), content("a")] == ["one", "other", "one"]
    assert made == ["a", "b"]
    (tmp_path / "a").write_text("two, longer")
    assert content("a") == "two, longer"
    assert content.__doc__ == "What a file says."


def test_what_was_read_for_a_kept_result_is_known_to_whoever_asks_for_it(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")

    @kept_while_unchanged(4)
    def inner():
        note(file)
        return file.read_text()

    @kept_while_unchanged(4)
    def outer():
        return inner() + "!"

    assert inner() == "one"
    with noting() as files:
        assert outer() == "one!"
    assert set(files) == {file}
    assert changed(files) == []
    file.write_text("two, longer")
    assert changed(files) == [file]
    assert outer() == "two, longer!"
