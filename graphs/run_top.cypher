// The best nodes of a run for one output ("all", or a class), genes or subsystems ("Gene", "Term" or "Pathway").
// parameters: run, output, most
// columns: kind, id, name, rank, score, low, high, q
MATCH (r:Run)-[s:SCORED]->(t:Term)
WHERE r.id = $run AND s.output = $output AND s.rank <= $most
RETURN 'Term' AS kind, t.id AS id, t.name AS name, s.rank AS rank, s.score AS score, s.low AS low, s.high AS high, s.q AS q
UNION ALL
MATCH (r:Run)-[s:SCORED]->(p:Pathway)
WHERE r.id = $run AND s.output = $output AND s.rank <= $most
RETURN 'Pathway' AS kind, p.id AS id, p.name AS name, s.rank AS rank, s.score AS score, s.low AS low, s.high AS high, s.q AS q
UNION ALL
MATCH (r:Run)-[s:SCORED]->(g:Gene)
WHERE r.id = $run AND s.output = $output AND s.rank <= $most
RETURN 'Gene' AS kind, g.id AS id, g.symbol AS name, s.rank AS rank, s.score AS score, s.low AS low, s.high AS high, s.q AS q
