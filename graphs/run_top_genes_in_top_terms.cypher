// Genes among the best of a run that are annotated directly to subsystems among its best, for one output.
// parameters: run, output, most
// columns: gene, symbol, gene_rank, term, name, term_rank
MATCH (r:Run)-[s:SCORED]->(g:Gene)-[:ANNOTATED_TO]->(t:Term), (r2:Run)-[o:SCORED]->(t)
WHERE r.id = $run AND r2.id = $run AND s.output = $output AND o.output = $output AND s.rank <= $most AND o.rank <= $most
RETURN DISTINCT g.id AS gene, g.symbol AS symbol, s.rank AS gene_rank, t.id AS term, t.name AS name, o.rank AS term_rank
