from rodcorp.databases.embedded import base
from tests.sides.stepping.process import step


class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self):
        step("copy begin")
        super()._start_transaction_under_autocommit()

    def create_cursor(self, name=None):
        step("copy execute")
        return super().create_cursor(name)

    def _commit(self):
        step("copy commit_before")
        result = super()._commit()
        step("copy commit_after")
        return result
