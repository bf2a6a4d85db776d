# What is in share/leat, and the table of docs/export.md, against the metrics that leat export has: each metric that an alert, a
# panel or the table names is there, with that type, and the table has all; expressions parse, and the alerts pass their tests.
# SPDX-License-Identifier: BSD-2-Clause
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
share=$root/share/leat

"$LEAT" export --describe >"$dir/metrics" 2>"$dir/err" || {
	grep -q 'libmicrohttpd was missing' "$dir/err" && { echo "skipped: leat export is not in this build"; exit 77; }
	fail "leat export --describe: $(cat "$dir/err")"
}
command -v python3 >/dev/null || { echo "skipped: there is no python3, which reads the board"; exit 77; }

# The board: panels that do not lie on each other, with titles, queries and what they mean. Queries as rules go to $dir/board.yml.
python3 - "$dir" "$share" "$root/docs/export.md" <<'END' || fail "the board, the alerts or the table do not fit the metrics"
import json, re, sys
dir, share, document = sys.argv[1:]
types = {}
for line in open(dir + '/metrics'):
    if line.startswith('# TYPE '):
        name, kind = line.split()[2:]
        types[name] = kind
assert len(types) > 40, types

def check_names(text, where):
    names = set(re.findall(r'\bleat_[a-z_]+', text))
    assert names, (where, 'names no metric')
    assert names <= types.keys(), (where, names - types.keys())
    for name in re.findall(r'(?:rate|increase)\((leat_[a-z_]+)', text):
        assert types[name] == 'counter', (where, name, 'is no counter')
    for name in re.findall(r'(?<!rate\()(?<!increase\()\b(leat_[a-z_]+_total)\b', text):
        assert name == 'leat_records_lost_total', (where, name, 'is a counter, without a rate')
    return names

board = json.load(open(share + '/grafana.json'))
variables = {v['name'] for v in board['templating']['list']}
for v in board['templating']['list']:
    if v['type'] == 'query':
        names = set(re.findall(r'\bleat_[a-z_]+', v['definition']))
        assert names and names <= types.keys(), v
        assert v['query']['query'] == v['definition']
ids, taken, queries = set(), set(), []
for p in board['panels']:
    assert p['id'] not in ids and p['title'], p
    ids.add(p['id'])
    g = p['gridPos']
    assert 0 <= g['x'] and g['x'] + g['w'] <= 24, p['title']
    cells = {(x, y) for x in range(g['x'], g['x'] + g['w']) for y in range(g['y'], g['y'] + g['h'])}
    assert not cells & taken, (p['title'], 'lies on another panel')
    taken |= cells
    if p['type'] == 'row':
        continue
    assert p['type'] in ('timeseries', 'stat') and p['description'].endswith('.') and p['targets'], p['title']
    assert p['datasource'] == {'type': 'prometheus', 'uid': '${datasource}'}, p['title']
    assert len({t['refId'] for t in p['targets']}) == len(p['targets'])
    for t in p['targets']:
        assert t['legendFormat'] and t['datasource'] == p['datasource'], p['title']
        check_names(t['expr'], p['title'])
        used = set(re.findall(r'\$(\w+)', t['expr'])) - {'__rate_interval'}
        assert used <= variables, (p['title'], used)
        queries.append(t['expr'])
assert len(queries) > 20, queries
with open(dir + '/board.yml', 'w') as out:
    out.write('groups:\n- name: board\n  rules:\n')
    for n, q in enumerate(queries):
        q = q.replace('$__rate_interval', '1m')
        q = re.sub(r'\$\w+', '.*', q)
        out.write('  - record: board:query:%d\n    expr: %s\n' % (n, json.dumps(q)))

alerts = open(share + '/alerts.yml').read()
check_names(''.join(re.findall(r'expr:(.*?)\n        (?:for|labels):', alerts, re.S)), 'alerts.yml')
tests = open(share + '/alerts_test.yml').read()
names = set(re.findall(r'\bleat_[a-z_]+', tests))
assert names <= types.keys(), names - types.keys()
for alert in re.findall(r'alert: (\w+)', alerts):
    block = tests.split('alertname: ' + alert + '\n')
    assert len(block) > 2 and any('exp_alerts' in b.split('alertname')[0] for b in block[1:]), (alert, 'has no test')
    assert any('exp_alerts' not in b.split('alertname')[0] for b in block[1:]), (alert, 'has no test that it stays away')

# | `leat_offered_items_total` | counter | ... |
table = dict(re.findall(r'^\| `(leat_[a-z_]+)(?:\{[a-z, ]*\})?` \| (counter|gauge) \|', open(document).read(), re.M))
assert table == types, set(table.items()) ^ set(types.items())
print(len(types), 'metrics,', len(queries), 'queries')
END

if command -v promtool >/dev/null; then
	for rules in "$share/alerts.yml" "$dir/board.yml"; do
		promtool check rules "$rules" >"$dir/out" 2>&1 || { fail "$rules: promtool check rules:"; cat "$dir/out"; }
	done
	promtool test rules "$share/alerts_test.yml" >"$dir/out" 2>&1 || { fail "promtool test rules:"; cat "$dir/out"; }
	promtool check metrics <"$dir/metrics" >"$dir/out" 2>&1 || { fail "promtool check metrics:"; cat "$dir/out"; }
else
	echo "there is no promtool (package prometheus), which parses expressions and tests alerts: left out"
fi
finish
