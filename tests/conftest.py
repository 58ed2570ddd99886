"""Two workers share the tests, file by file; the longest file goes first, so that neither waits at the end."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_reproduce.py")
