import django.db.models.deletion
import rodcorp.databases.fields
import rodcorp.databases.ids
import simple_history.models
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('agents', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalPayCycle',
            fields=[
                ('actor_kind', models.CharField(db_column='ActorKind', editable=False, max_length=10)),
                ('actor_id', models.CharField(db_column='ActorID', editable=False, max_length=100)),
                ('actor_name', models.CharField(db_column='ActorName', editable=False, max_length=100)),
                ('actor_token', models.CharField(blank=True, db_column='ActorToken', default='', editable=False, max_length=40)),
                ('actor_address', models.CharField(blank=True, db_column='ActorAddress', default='', editable=False, max_length=45)),
                ('id', rodcorp.databases.fields.GuidField(db_column='CycleUUID', db_index=True, default=rodcorp.databases.ids.new_id, editable=False)),
                ('number', models.PositiveIntegerField(db_column='CycleNumber', db_index=True)),
                ('starts_at', rodcorp.databases.fields.UtcDateTimeField(db_column='StartsAt')),
                ('ends_at', rodcorp.databases.fields.UtcDateTimeField(db_column='EndsAt')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('computed', 'Computed'), ('approved', 'Approved'), ('posted', 'Posted'), ('closed', 'Closed')], db_column='State', default='draft', max_length=20)),
                ('is_sample', models.BooleanField(db_column='IsSample', db_default=False, default=False, editable=False)),
                ('history_user_id', models.CharField(max_length=100, null=True)),
                ('history_id', rodcorp.databases.fields.GuidField(default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_date', rodcorp.databases.fields.UtcDateTimeField()),
            ],
            options={
                'verbose_name': 'historical pay cycle',
                'verbose_name_plural': 'historical pay cycles',
                'db_table': 'PayCyclesHistory',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
                'indexes': [models.Index(fields=['history_date', 'id'], name='PayCyclesHi_history_d40127_idx')],
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='LedgerAccount',
            fields=[
                ('id', rodcorp.databases.fields.GuidField(db_column='AccountUUID', default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('wallet', 'Wallet'), ('debt', 'Debt'), ('treasury', 'Treasury'), ('payroll', 'Payroll'), ('suspense', 'Suspense')], db_column='Kind', max_length=20)),
                ('balance', models.BigIntegerField(db_column='Balance', db_default=0, default=0, editable=False, null=True)),
                ('agent', models.ForeignKey(blank=True, db_column='AgentUUID', db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='accounts', to='agents.agent')),
            ],
            options={
                'db_table': 'LedgerAccounts',
                'constraints': [models.UniqueConstraint(fields=('agent', 'kind'), name='LedgerAccounts_Agent_Kind')],
            },
        ),
        migrations.CreateModel(
            name='PayCycle',
            fields=[
                ('id', rodcorp.databases.fields.GuidField(db_column='CycleUUID', default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(db_column='CycleNumber', unique=True)),
                ('starts_at', rodcorp.databases.fields.UtcDateTimeField(db_column='StartsAt')),
                ('ends_at', rodcorp.databases.fields.UtcDateTimeField(db_column='EndsAt')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('computed', 'Computed'), ('approved', 'Approved'), ('posted', 'Posted'), ('closed', 'Closed')], db_column='State', default='draft', max_length=20)),
                ('is_sample', models.BooleanField(db_column='IsSample', db_default=False, default=False, editable=False)),
            ],
            options={
                'db_table': 'PayCycles',
                'indexes': [models.Index(fields=['state', '-number'], name='PayCycles_State')],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='PayCycles_Period')],
            },
        ),
        migrations.CreateModel(
            name='PayrollMaster',
            fields=[
                ('id', rodcorp.databases.fields.GuidField(db_column='PayrollUUID', db_default=rodcorp.databases.fields.NewGuid(), default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('base_salary', models.BigIntegerField(db_column='BaseSalary', db_default=0, default=0)),
                ('seniority_multiplier', models.DecimalField(db_column='SeniorityMultiplier', db_default=1, decimal_places=2, default=1, max_digits=5)),
                ('performance_multiplier', models.DecimalField(db_column='PerformanceMultiplier', db_default=1, decimal_places=2, default=1, max_digits=5)),
                ('bonus', models.BigIntegerField(db_column='BonusRodCoins', db_default=0, default=0)),
                ('effective_from', rodcorp.databases.fields.UtcDateTimeField(db_column='EffectiveFrom', db_default=rodcorp.databases.fields.CurrentTime())),
                ('effective_to', rodcorp.databases.fields.UtcDateTimeField(blank=True, db_column='EffectiveTo', null=True)),
                ('agent', models.ForeignKey(db_column='AgentUUID', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payroll', to='agents.agent')),
            ],
            options={
                'verbose_name_plural': 'payroll master',
                'db_table': 'PayrollMaster',
                'indexes': [models.Index(fields=['agent', '-effective_from'], name='PayrollMaster_Agent'), models.Index(fields=['-effective_from'], name='PayrollMaster_From')],
                'constraints': [models.CheckConstraint(condition=models.Q(('base_salary__gte', 0), ('bonus__gte', 0), ('seniority_multiplier__gte', 0), ('performance_multiplier__gte', 0)), name='PayrollMaster_NotNegative')],
            },
        ),
        migrations.CreateModel(
            name='Payslip',
            fields=[
                ('actor_kind', models.CharField(db_column='ActorKind', editable=False, max_length=10)),
                ('actor_id', models.CharField(db_column='ActorID', editable=False, max_length=100)),
                ('actor_name', models.CharField(db_column='ActorName', editable=False, max_length=100)),
                ('actor_token', models.CharField(blank=True, db_column='ActorToken', default='', editable=False, max_length=40)),
                ('actor_address', models.CharField(blank=True, db_column='ActorAddress', default='', editable=False, max_length=45)),
                ('id', rodcorp.databases.fields.GuidField(db_column='PayslipUUID', default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('net', models.BigIntegerField(db_column='NetRodCoins')),
                ('agent', models.ForeignKey(db_column='AgentUUID', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payslips', to='agents.agent')),
                ('cycle', models.ForeignKey(db_column='CycleUUID', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payslips', to='payroll.paycycle')),
            ],
            options={
                'db_table': 'Payslips',
                'indexes': [models.Index(fields=['agent'], name='Payslips_Agent')],
                'constraints': [models.UniqueConstraint(fields=('cycle', 'agent'), name='Payslips_Cycle_Agent')],
            },
        ),
        migrations.CreateModel(
            name='PayslipLine',
            fields=[
                ('actor_kind', models.CharField(db_column='ActorKind', editable=False, max_length=10)),
                ('actor_id', models.CharField(db_column='ActorID', editable=False, max_length=100)),
                ('actor_name', models.CharField(db_column='ActorName', editable=False, max_length=100)),
                ('actor_token', models.CharField(blank=True, db_column='ActorToken', default='', editable=False, max_length=40)),
                ('actor_address', models.CharField(blank=True, db_column='ActorAddress', default='', editable=False, max_length=45)),
                ('id', rodcorp.databases.fields.GuidField(db_column='LineUUID', default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('position', models.PositiveSmallIntegerField(db_column='Position')),
                ('label', models.CharField(db_column='Label', max_length=200)),
                ('amount', models.BigIntegerField(db_column='Amount')),
                ('payslip', models.ForeignKey(db_column='PayslipUUID', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='payroll.payslip')),
            ],
            options={
                'db_table': 'PayslipLines',
                'constraints': [models.UniqueConstraint(fields=('payslip', 'position'), name='PayslipLines_Payslip_Position')],
            },
        ),
        migrations.CreateModel(
            name='RodCoinsTransaction',
            fields=[
                ('actor_kind', models.CharField(db_column='ActorKind', editable=False, max_length=10)),
                ('actor_id', models.CharField(db_column='ActorID', editable=False, max_length=100)),
                ('actor_name', models.CharField(db_column='ActorName', editable=False, max_length=100)),
                ('actor_token', models.CharField(blank=True, db_column='ActorToken', default='', editable=False, max_length=40)),
                ('actor_address', models.CharField(blank=True, db_column='ActorAddress', default='', editable=False, max_length=45)),
                ('id', rodcorp.databases.fields.GuidField(db_column='TransactionUUID', db_default=rodcorp.databases.fields.NewGuid(), default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('amount', models.BigIntegerField(db_column='Amount')),
                ('transaction_type', models.CharField(choices=[('earned', 'Earned'), ('bonus', 'Bonus'), ('salary', 'Salary'), ('deduction', 'Deduction'), ('adjustment', 'Adjustment'), ('reversal', 'Reversal'), ('transfer', 'Transfer')], db_column='TransactionType', max_length=20)),
                ('description', models.CharField(db_column='Description', max_length=500)),
                ('source_kind', models.CharField(db_column='SourceKind', max_length=20)),
                ('source_key', rodcorp.databases.fields.KeyField(db_column='SourceKey', max_length=200)),
                ('cycle', models.IntegerField(db_column='PayCycle', db_default=1, default=1)),
                ('occurred_at', rodcorp.databases.fields.UtcDateTimeField(db_column='OccurredAt', db_default=rodcorp.databases.fields.CurrentTime())),
                ('created_at', rodcorp.databases.fields.UtcDateTimeField(db_column='CreatedAt', db_default=rodcorp.databases.fields.CurrentTime())),
                ('agent', models.ForeignKey(db_column='AgentUUID', db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='transactions', to='agents.agent')),
                ('reverses', models.ForeignKey(blank=True, db_column='ReversesUUID', db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversals', to='payroll.rodcoinstransaction')),
                ('source', models.ForeignKey(db_column='FromAccountUUID', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='payroll.ledgeraccount')),
                ('target', models.ForeignKey(db_column='ToAccountUUID', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='payroll.ledgeraccount')),
            ],
            options={
                'verbose_name': 'RodCoins transaction',
                'db_table': 'RodCoinsTransactions',
                'indexes': [models.Index(fields=['-created_at'], name='RodCoins_CreatedAt'), models.Index(fields=['agent', '-created_at'], name='RodCoins_Agent_CreatedAt'), models.Index(fields=['source'], name='RodCoins_From'), models.Index(fields=['target'], name='RodCoins_To'), models.Index(fields=['transaction_type', '-created_at'], name='RodCoins_Type_At'), models.Index(fields=['cycle', 'agent'], name='RodCoins_Cycle_Agent'), models.Index(fields=['amount'], name='RodCoins_Amount_Size')],
                'constraints': [models.UniqueConstraint(fields=('source_kind', 'source_key'), name='RodCoins_Source'), models.UniqueConstraint(condition=models.Q(('reverses__isnull', False)), fields=('reverses',), name='RodCoins_Reverses', violation_error_message='This transaction was already reversed.'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='RodCoins_Amount'), models.CheckConstraint(condition=models.Q(('source', models.F('target')), _negated=True), name='RodCoins_Accounts'), models.CheckConstraint(condition=models.Q(('transaction_type__in', ['earned', 'bonus', 'salary', 'deduction', 'adjustment', 'reversal', 'transfer'])), name='RodCoins_Type')],
            },
        ),
        migrations.AddField(
            model_name='payslip',
            name='transaction',
            field=models.ForeignKey(db_column='TransactionUUID', db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payslips', to='payroll.rodcoinstransaction'),
        ),
        migrations.CreateModel(
            name='Evaluation',
            fields=[
                ('actor_kind', models.CharField(db_column='ActorKind', editable=False, max_length=10)),
                ('actor_id', models.CharField(db_column='ActorID', editable=False, max_length=100)),
                ('actor_name', models.CharField(db_column='ActorName', editable=False, max_length=100)),
                ('actor_token', models.CharField(blank=True, db_column='ActorToken', default='', editable=False, max_length=40)),
                ('actor_address', models.CharField(blank=True, db_column='ActorAddress', default='', editable=False, max_length=45)),
                ('id', rodcorp.databases.fields.GuidField(db_column='PerformanceUUID', db_default=rodcorp.databases.fields.NewGuid(), default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('score', models.DecimalField(db_column='PerformanceScore', decimal_places=2, max_digits=3)),
                ('evaluator_kind', models.CharField(db_column='EvaluatorKind', max_length=10)),
                ('evaluator_id', rodcorp.databases.fields.GuidField(db_column='EvaluatorUUID')),
                ('evaluator_name', models.CharField(db_column='EvaluatorName', max_length=100)),
                ('notes', models.TextField(blank=True, db_column='Notes', null=True)),
                ('rating_after', models.DecimalField(db_column='RatingAfter', decimal_places=2, max_digits=3)),
                ('evaluated_at', rodcorp.databases.fields.UtcDateTimeField(db_column='EvaluatedAt', db_default=rodcorp.databases.fields.CurrentTime())),
                ('agent', models.ForeignKey(db_column='AgentUUID', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='evaluations', to='agents.agent')),
            ],
            options={
                'db_table': 'AgentPerformanceHistory',
                'indexes': [models.Index(fields=['-evaluated_at'], name='Performance_At'), models.Index(fields=['agent', '-evaluated_at'], name='Performance_Agent_At'), models.Index(fields=['evaluator_id', '-evaluated_at'], name='Performance_Evaluator'), models.Index(fields=['score'], name='Performance_Score_Size')],
                'constraints': [models.CheckConstraint(condition=models.Q(('score__range', (0, 5))), name='Performance_Score'), models.CheckConstraint(condition=models.Q(('evaluator_id', models.F('agent')), _negated=True), name='Performance_NotSelf')],
            },
        ),
        migrations.CreateModel(
            name='HistoricalPayrollMaster',
            fields=[
                ('actor_kind', models.CharField(db_column='ActorKind', editable=False, max_length=10)),
                ('actor_id', models.CharField(db_column='ActorID', editable=False, max_length=100)),
                ('actor_name', models.CharField(db_column='ActorName', editable=False, max_length=100)),
                ('actor_token', models.CharField(blank=True, db_column='ActorToken', default='', editable=False, max_length=40)),
                ('actor_address', models.CharField(blank=True, db_column='ActorAddress', default='', editable=False, max_length=45)),
                ('id', rodcorp.databases.fields.GuidField(db_column='PayrollUUID', db_default=rodcorp.databases.fields.NewGuid(), db_index=True, default=rodcorp.databases.ids.new_id, editable=False)),
                ('base_salary', models.BigIntegerField(db_column='BaseSalary', db_default=0, default=0)),
                ('seniority_multiplier', models.DecimalField(db_column='SeniorityMultiplier', db_default=1, decimal_places=2, default=1, max_digits=5)),
                ('performance_multiplier', models.DecimalField(db_column='PerformanceMultiplier', db_default=1, decimal_places=2, default=1, max_digits=5)),
                ('bonus', models.BigIntegerField(db_column='BonusRodCoins', db_default=0, default=0)),
                ('effective_from', rodcorp.databases.fields.UtcDateTimeField(db_column='EffectiveFrom', db_default=rodcorp.databases.fields.CurrentTime())),
                ('effective_to', rodcorp.databases.fields.UtcDateTimeField(blank=True, db_column='EffectiveTo', null=True)),
                ('history_user_id', models.CharField(max_length=100, null=True)),
                ('history_id', rodcorp.databases.fields.GuidField(default=rodcorp.databases.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_date', rodcorp.databases.fields.UtcDateTimeField()),
                ('agent', models.ForeignKey(blank=True, db_column='AgentUUID', db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='agents.agent')),
            ],
            options={
                'verbose_name': 'historical payroll master',
                'verbose_name_plural': 'historical payroll master',
                'db_table': 'PayrollMasterHistory',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
                'indexes': [models.Index(fields=['history_date', 'id'], name='PayrollMast_history_ad26b6_idx')],
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddIndex(
            model_name='payslip',
            index=models.Index(fields=['transaction'], name='Payslips_Transaction'),
        ),
    ]
