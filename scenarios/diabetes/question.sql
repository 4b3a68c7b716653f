WITH patients AS (SELECT id, bp FROM north.patients UNION ALL SELECT id, bp FROM south.patients)
SELECT CASE WHEN p.bp < 80 THEN 0 WHEN p.bp < 90 THEN 80 WHEN p.bp < 100 THEN 90 WHEN p.bp < 110 THEN 100
            WHEN p.bp < 120 THEN 110 WHEN p.bp < 130 THEN 120 ELSE 130 END AS band,
       COUNT(*) AS n, AVG(i.target) AS progression, AVG(l.s6) AS glucose
FROM patients p JOIN laboratory.blood l ON l.id = p.id JOIN insurer.progress i ON i.id = p.id
GROUP BY 1 ORDER BY 1
