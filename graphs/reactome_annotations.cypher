// The genes that take part in a pathway, directly or through their proteins; pathways below it are not counted in.
// evidence_excluded is a list of evidence codes, such as IEA.
// parameters: evidence_excluded
// columns: gene, term, evidence
MATCH (g:Gene)-[:ENCODES]->(:Protein)-[m:PARTICIPATES_IN]->(p:Pathway)
WHERE NOT m.evidence IN $evidence_excluded
RETURN DISTINCT g.id AS gene, p.id AS term, m.evidence AS evidence
UNION
MATCH (g:Gene)-[m:IN_PATHWAY]->(p:Pathway)
WHERE NOT coalesce(m.evidence, '') IN $evidence_excluded
RETURN DISTINCT g.id AS gene, p.id AS term, coalesce(m.evidence, '') AS evidence
