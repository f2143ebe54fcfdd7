// An ordinary application: a Tomcat with three servlets, as its documentation has
// it. /search sorts and filters a catalogue, /checkout hashes, anything else
// renders a page. Prints its port; ends by itself after the seconds given.
//
//     java -cp tomcat-embed-core.jar:tomcat-annotations-api.jar:. Shop SECONDS

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;

public class Shop {
    record Item(int id, String name, double price) {}

    static final List<Item> catalogue = IntStream.range(0, 2000)
        .mapToObj(id -> new Item(id, "item " + (id * 7919) % 2000, id % 97 + 0.99))
        .collect(Collectors.toList());

    static class Search extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            String found = catalogue.stream()
                .filter(item -> item.price() < 50)
                .sorted(Comparator.comparing(Item::name))
                .limit(20)
                .map(Item::name)
                .collect(Collectors.joining(","));
            response.getWriter().println(found);
        }
    }

    static class Checkout extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.getWriter().println(sign("order " + request.getRequestURI()));
        }

        static String sign(String order) {
            try {
                byte[] digest = order.getBytes(StandardCharsets.UTF_8);
                MessageDigest sha = MessageDigest.getInstance("SHA-256");
                for (int round = 0; round < 500; round++) digest = sha.digest(digest);
                return digest.length + "";
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }

    static class Page extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            StringBuilder page = new StringBuilder("<ul>");
            for (Item item : catalogue.subList(0, 200)) {
                page.append(String.format("<li>%s: %.2f</li>", item.name(), item.price()));
            }
            response.getWriter().println(page.append("</ul>"));
        }
    }

    public static void main(String[] args) throws Exception {
        // The working folder, which is whoever's who starts it.
        File base = new File("").getAbsoluteFile();
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(base.getPath());
        tomcat.setHostname("127.0.0.1");
        tomcat.setPort(0);
        Context context = tomcat.addContext("", base.getPath());
        Tomcat.addServlet(context, "search", new Search());
        Tomcat.addServlet(context, "checkout", new Checkout());
        Tomcat.addServlet(context, "page", new Page());
        context.addServletMappingDecoded("/search", "search");
        context.addServletMappingDecoded("/checkout", "checkout");
        context.addServletMappingDecoded("/", "page");
        tomcat.start();
        System.out.println(tomcat.getConnector().getLocalPort());
        Thread.sleep(Long.parseLong(args[0]) * 1000);
        System.exit(0);
    }
}
